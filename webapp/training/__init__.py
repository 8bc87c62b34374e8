"""From labelled photos to a published model version; never loaded by the web process."""
