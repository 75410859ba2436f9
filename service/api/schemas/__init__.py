"""What goes in and comes out as JSON: checked on the way in, documented on the way out."""
