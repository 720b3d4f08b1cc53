"""What a gate knows of its objects, kept between processes."""
