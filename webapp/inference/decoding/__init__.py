"""From bytes to pixels: formats, caps, decoding, small copies."""
