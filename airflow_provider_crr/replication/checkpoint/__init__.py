"""What a gate found done, kept between processes."""
