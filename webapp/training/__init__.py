"""From a folder of labelled photos to a published model version. Never loaded by the web process."""
