"""Which system for these data? Several of them, trained for equal minutes and measured by one judge."""
