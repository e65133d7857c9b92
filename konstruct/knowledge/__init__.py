"""What employees can look up: documents and web sites, read, cut up and searched."""
