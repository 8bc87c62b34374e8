"""The HTML pages: read the form, call a service, choose the page."""
