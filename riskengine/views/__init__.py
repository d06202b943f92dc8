"""Pages. A view reads the request, takes the time once, asks a service or selector, and renders what it said."""
