"""BER (ITU-T X.690): TAP3, 3GPP TS 32.298 and records by a declared tag table, all run by one interpreter."""
