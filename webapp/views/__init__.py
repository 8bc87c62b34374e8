"""The HTML door: read the form, call a service, choose the page."""
