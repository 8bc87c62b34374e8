"""The drawing studio: small solid models, a camera, light and places, in NumPy and Pillow only. `webapp.training.drawings` is its door."""
