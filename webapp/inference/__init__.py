"""Photos to pixels, pixels to ranked labels: decoding, cards, classifiers. No database."""
