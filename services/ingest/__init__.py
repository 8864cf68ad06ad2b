"""Ingest: brings registrations, rosters, config and school time into the streams."""
