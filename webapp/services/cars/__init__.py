"""The cars in photos: what the pipeline says about them, and what people do to their boxes."""
