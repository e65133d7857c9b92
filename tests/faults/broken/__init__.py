"""Programs that are wrong in one way each, and no part of the product: the checker has to find each of them out."""
