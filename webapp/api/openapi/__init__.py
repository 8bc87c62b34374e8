"""How API calls are declared, and the OpenAPI document and docs page made from them."""
