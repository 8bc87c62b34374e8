"""Upload, gallery, a photo's page, bulk actions."""
