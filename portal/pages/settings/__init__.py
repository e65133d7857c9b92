"""The pages of a tenant's settings, one module a section; ``portal.settings_sections`` lists the sections."""
