"""The `report_*` methods of handles, and what reads reports back."""
