"""What all interfaces over HTTP share: responses, compression, rate limits."""
