"""Photos to pixels, pixels to ranked labels: decoding, model cards and the classifiers. No Flask, no database."""
