"""Files that say what photos show, a module for each format: its line is in `registry`.

Label imports look for the photos in the history, the detector's training in a data folder.
"""
