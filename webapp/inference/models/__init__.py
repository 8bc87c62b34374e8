"""Model folders: cards, versions, publishing, serving."""
