"""Charts as SVG and tables for spreadsheets. Imports nothing of ours."""
