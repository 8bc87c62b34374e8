"""The review queue and suspected labels."""
