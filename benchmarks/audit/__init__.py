"""What the audit trail's hash chains cost."""
