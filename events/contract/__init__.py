"""The published contract: JSON Schemas, the AsyncAPI document and the compatibility check."""
