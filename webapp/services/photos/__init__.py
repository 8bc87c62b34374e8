"""Upload, classification, gallery, bulk actions, deletion."""
