"""What programs do by the API where people do it in the portal: each route below ``/t/{tenant}``, one a line."""

from collections.abc import Mapping, Sequence
from typing import Final

FORM: Final = "a form, or what helps to fill one in; what it sends is had"
PART: Final = "a part of a page that is had whole"
BROWSER: Final = "leads a person through another site in a browser"
PERSON: Final = "is for a person who has just shown who they are"
OWN: Final = "is of a person's own: programs are nobody"

BY_THE_API: Final[Mapping[str, Sequence[str]]] = {
    "GET /home": ["GET /attention"],
    # Settings
    "GET /settings": ["GET /settings"],
    "POST /settings/basics": ["PUT /settings/basics"],
    "POST /settings/default-models": ["PUT /settings/models"],
    "POST /settings/limits": ["PUT /settings/limits"],
    "POST /settings/approvals": ["PUT /settings/approvals"],
    "GET /settings/models": ["GET /settings/model-keys"],
    "POST /settings/models/{provider}": ["PUT /settings/model-keys/{provider}"],
    "POST /settings/models/{provider}/test": ["POST /settings/model-keys/{provider}/test"],
    "POST /settings/models/{provider}/remove": ["DELETE /settings/model-keys/{provider}"],
    "GET /settings/desk": ["GET /settings/desk"],
    "POST /settings/desk/place": ["PUT /settings/desk/place"],
    "POST /settings/desk/people/{key}": ["POST /settings/desk/people", "PUT /settings/desk/people/{key}"],
    "POST /settings/desk/people/{key}/remove": ["DELETE /settings/desk/people/{key}"],
    "POST /settings/desk/groups/{key}": ["POST /settings/desk/groups", "PUT /settings/desk/groups/{key}"],
    "POST /settings/desk/groups/{key}/remove": ["DELETE /settings/desk/groups/{key}"],
    "GET /settings/replies": ["GET /saved-replies"],
    "POST /settings/replies/{key}": ["PUT /saved-replies/{key}"],
    "POST /settings/replies/{key}/remove": ["DELETE /saved-replies/{key}"],
    "POST /settings/replies/{key}/restore": ["PUT /saved-replies/{key}"],
    "GET /saved-replies": ["GET /saved-replies"],
    "GET /settings/satisfaction": ["GET /settings/satisfaction"],
    "POST /settings/satisfaction": ["PUT /settings/satisfaction"],
    "GET /settings/retention": ["GET /settings/retention"],
    "POST /settings/retention": ["PUT /settings/retention", "GET /settings/retention/preview"],
    "GET /settings/security": ["GET /settings/second-factor"],
    "POST /settings/security": ["PUT /settings/second-factor"],
    "GET /settings/api-keys": ["GET /settings/api-keys"],
    "GET /api/openapi.json": ["GET /openapi.json"],
    # Team
    "GET /team": ["GET /team"],
    "POST /team/members/{user_id}/role": ["PUT /team/members/{user_id}/role"],
    "POST /team/members/{user_id}/remove": ["DELETE /team/members/{user_id}"],
    "POST /team/invite": ["POST /team/invitations"],
    "POST /team/invitations/{invitation_id}/resend": ["POST /team/invitations/{invitation_id}/resend"],
    "POST /team/invitations/{invitation_id}/withdraw": ["DELETE /team/invitations/{invitation_id}"],
    # Employees
    "GET /employees": ["GET /employees"],
    "GET /employees/new": ["GET /starting-points"],
    "POST /employees/new": ["POST /employees"],
    "GET /employee-pictures/{picture_id}": ["GET /employee-pictures/{picture_id}"],
    "GET /employees/{key}": ["GET /employees/{key}", "GET /employees/{key}/draft"],
    "POST /employees/{key}": [
        *("PATCH /employees/{key}/draft", "PUT /employees/{key}/draft/picture"),
        "DELETE /employees/{key}/draft/picture",
    ],
    "POST /employees/{key}/edit": ["POST /employees/{key}/draft/try-rules"],
    "POST /employees/{key}/check": ["POST /employees/{key}/draft/check"],
    "GET /employees/{key}/versions": ["GET /employees/{key}/versions"],
    "GET /employees/{key}/versions/{number}": [
        *("GET /employees/{key}/versions/{number}", "GET /employees/{key}/versions/{number}/changes")
    ],
    "POST /employees/{key}/versions/{number}/restore": ["POST /employees/{key}/versions/{number}/restore"],
    "GET /employees/{key}/publish": ["GET /employees/{key}/draft/changes", "POST /employees/{key}/draft/check"],
    "POST /employees/{key}/publish": ["POST /employees/{key}/publish"],
    "POST /employees/{key}/discard": ["DELETE /employees/{key}/draft"],
    "POST /employees/{key}/bring-back": ["POST /employees/{key}/draft/bring-back"],
    "POST /employees/{key}/take-in": ["POST /employees/{key}/draft/take-in"],
    "POST /employees/{key}/duplicate": ["POST /employees/{key}/duplicate"],
    "POST /employees/{key}/archive": ["POST /employees/{key}/archive"],
    "POST /employees/{key}/unarchive": ["POST /employees/{key}/unarchive"],
    "POST /employees/{key}/serve": [
        "PUT /channels/{channel_id}/employee",
        "PUT /channels/{channel_id}/bindings/{room}",
    ],
    "POST /employees/{key}/unserve": ["DELETE /channels/{channel_id}/bindings/{room}"],
    # Rehearsals
    "GET /employees/{key}/rehearsal": ["GET /employees/{key}/rehearsal"],
    "POST /employees/{key}/rehearsal/say": ["POST /employees/{key}/rehearsal/messages"],
    "POST /employees/{key}/rehearsal/restart": ["POST /employees/{key}/rehearsal"],
    "POST /employees/{key}/rehearsal/forget": ["DELETE /employees/{key}/rehearsal"],
    "POST /employees/{key}/rehearsal/tools": ["PUT /employees/{key}/rehearsal/acts"],
    "POST /employees/{key}/rehearsal/stop": ["POST /employees/{key}/rehearsal/stop"],
    "POST /employees/{key}/rehearsal/approvals/{approval_id}": [
        "POST /employees/{key}/rehearsal/approvals/{approval_id}"
    ],
    # Channels
    "GET /channels": ["GET /channels"],
    "GET /channels/{connection}": ["GET /channels/{channel_id}"],
    "GET /channels/{connection}/heard": ["GET /channels/{channel_id}"],
    "GET /channels/whatsapp": ["GET /channels/setup"],
    "POST /channels/whatsapp": ["POST /channels/whatsapp"],
    "POST /channels/whatsapp/check": ["POST /channels/whatsapp/check"],
    "POST /channels/whatsapp/subscribe": ["POST /channels/whatsapp/subscribe"],
    "POST /channels/{connection}/serve": ["PUT /channels/{channel_id}/employee"],
    "POST /channels/{connection}/bind": ["PUT /channels/{channel_id}/bindings/{room}"],
    "POST /channels/{connection}/unbind": ["DELETE /channels/{channel_id}/bindings/{room}"],
    "POST /channels/{connection}/describe": ["PUT /channels/{channel_id}/functions"],
    "POST /channels/{connection}/disconnect": ["DELETE /channels/{channel_id}"],
    # Conversations and files
    "GET /conversations": ["GET /conversations"],
    "GET /conversations/{conversation_id}": [
        *("GET /conversations/{conversation_id}", "GET /conversations/{conversation_id}/timeline")
    ],
    "POST /conversations/{conversation_id}/export": ["GET /conversations/{conversation_id}/export"],
    "GET /files/{file_id}": ["GET /files/{file_id}"],
    # Approvals and questions
    "GET /approvals": ["GET /approvals"],
    "GET /approvals/history": ["GET /approvals"],
    "GET /approvals/questions": ["GET /consults"],
    "GET /approvals/{approval_id}": ["GET /approvals/{approval_id}"],
    "POST /approvals/{approval_id}/decide": [
        *("POST /approvals/{approval_id}/approve", "POST /approvals/{approval_id}/deny")
    ],
    "POST /approvals/questions/{consult_id}": ["POST /consults/{consult_id}/answer"],
    # Usage and outcomes
    "GET /usage": ["GET /reports/usage"],
    "GET /usage/budgets": ["GET /budgets"],
    "POST /usage/budgets": ["PUT /budgets"],
    "GET /usage/conversations": ["GET /conversations", "GET /reports/ledger.csv"],
    "GET /usage/ledger.csv": ["GET /reports/ledger.csv"],
    "GET /usage/shown.csv": ["GET /reports/usage.csv"],
    "GET /outcomes": ["GET /reports/outcomes"],
    "GET /outcomes/shown.csv": ["GET /reports/outcomes.csv"],
    # Contacts
    "GET /contacts": ["GET /contacts"],
    "GET /contacts/{contact_id}": ["GET /contacts/{contact_id}"],
    "GET /contacts/{contact_id}/erasure": ["GET /contacts/{contact_id}"],
    "POST /contacts/{contact_id}/consent": ["PUT /contacts/{contact_id}/consent"],
    "POST /contacts/{contact_id}/erase": ["POST /contacts/{contact_id}/erase"],
    "POST /contacts/{contact_id}/erasure": ["POST /contacts/{contact_id}/erase"],
    "POST /contacts/{contact_id}/export": ["POST /contacts/{contact_id}/export"],
    "POST /contacts/{contact_id}/forget": ["POST /contacts/{contact_id}/forget"],
    "POST /contacts/{contact_id}/merge/{other_id}": ["POST /contacts/{contact_id}/join"],
    "POST /contacts/{contact_id}/separate": ["POST /contacts/{contact_id}/separate"],
    # Knowledge
    "GET /knowledge": ["GET /knowledge/sources"],
    "GET /knowledge/{source}": ["GET /knowledge/sources/{key}", "GET /knowledge/sources/{key}/documents"],
    "GET /knowledge/{source}/documents/{document_id}": [
        *("GET /knowledge/documents/{document_id}", "GET /knowledge/documents/{document_id}/passages")
    ],
    "POST /knowledge/new/source": ["PUT /knowledge/sources/{key}", "POST /knowledge/check"],
    "POST /knowledge/{source}/edit": ["PUT /knowledge/sources/{key}"],
    "POST /knowledge/{source}/remove": ["DELETE /knowledge/sources/{key}"],
    "POST /knowledge/{source}/sync": ["POST /knowledge/sources/{key}/sync"],
    "POST /knowledge/{source}/documents": ["POST /knowledge/sources/{key}/documents"],
    "POST /knowledge/{source}/documents/{document_id}/again": ["POST /knowledge/documents/{document_id}/again"],
    "POST /knowledge/{source}/documents/{document_id}/remove": ["DELETE /knowledge/documents/{document_id}"],
    "GET /knowledge/try/question": ["POST /knowledge/search"],
    "POST /knowledge/try/question": ["POST /knowledge/search"],
    # Tools
    "GET /tools": ["GET /tools"],
    "GET /tools/{tool}": ["GET /tools/{key}"],
    "POST /tools/new/http": ["PUT /tools/{key}"],
    "POST /tools/new/server": ["PUT /tools/{key}"],
    "POST /tools/{tool}/edit": ["PUT /tools/{key}"],
    "POST /tools/{tool}/server": ["PUT /tools/{key}"],
    "POST /tools/{tool}/accept": ["POST /tools/accept"],
    "POST /tools/{tool}/check": ["POST /tools/{key}/check"],
    "POST /tools/{tool}/risks": ["POST /tools/{key}/risks"],
    "POST /tools/{tool}/try": ["POST /tools/{key}/try"],
    "POST /tools/{tool}/remove": ["DELETE /tools/{key}"],
    # Audit trail
    "GET /audit": ["GET /audit/events"],
    "GET /audit/events/{event_id}": ["GET /audit/events"],
    "GET /audit/checks": ["GET /audit/check"],
    "POST /audit/checks": ["POST /audit/check"],
    "POST /audit/export": ["GET /audit/export"],
    # Inbox
    "POST /inbox/{conversation_id}/ask": ["POST /handoffs/{handoff_id}/draft", "POST /handoffs/{handoff_id}/summary"],
    "POST /inbox/{conversation_id}/hand-back": ["POST /handoffs/{handoff_id}/hand-back"],
    "POST /inbox/{conversation_id}/note": ["POST /handoffs/{handoff_id}/notes"],
    "POST /inbox/{conversation_id}/release": ["POST /handoffs/{handoff_id}/release"],
    "POST /inbox/{conversation_id}/reply": [
        *("POST /handoffs/{handoff_id}/replies", "POST /handoffs/{handoff_id}/files")
    ],
    "POST /inbox/{conversation_id}/resolve": ["POST /handoffs/{handoff_id}/resolve"],
    "POST /inbox/{conversation_id}/take-over": [
        *("POST /conversations/{conversation_id}/take-over", "POST /handoffs/{handoff_id}/claim")
    ],
    "POST /inbox/{conversation_id}/transfer": ["POST /handoffs/{handoff_id}/transfer"],
    "GET /inbox": ["GET /handoffs"],
    "GET /inbox/{conversation_id}": ["GET /handoffs/{handoff_id}", "GET /conversations/{conversation_id}/timeline"],
}

IN_THE_PORTAL_ALONE: Final[Mapping[str, str]] = {
    "GET /setup": "leads new people through what is had step by step",
    "GET /setup/message": PART,
    "POST /setup/slack": BROWSER,
    "POST /setup/whatsapp": FORM,
    "POST /setup/later": OWN,
    "POST /setup/employee": "makes and publishes an employee in one step; both are had",
    "POST /setup/close": OWN,
    "GET /search": "looks through what is listed elsewhere, for people who type",
    "GET /settings/models/{provider}": FORM,
    "GET /settings/desk/people/new": FORM,
    "GET /settings/desk/people/{key}": FORM,
    "GET /settings/desk/groups/{key}": FORM,
    "GET /settings/replies/{key}": FORM,
    "GET /settings/delete": PERSON,
    "POST /settings/delete": PERSON,
    "GET /settings/api-keys/new": FORM,
    "POST /settings/api-keys/new": PERSON,
    "POST /settings/api-keys/{name}/revoke": PERSON,
    "GET /api": "tells of the API itself",
    "GET /api/{section}": "tells of the API itself",
    "GET /team/invite": FORM,
    "POST /team/leave": OWN,
    "GET /channels/slack/connect": BROWSER,
    "POST /channels/slack/connect": BROWSER,
    "GET /channels/slack/app": "is for whoever runs the deployment",
    "POST /channels/whatsapp/again": FORM,
    "POST /channels/whatsapp/discard": FORM,
    "GET /contacts/{contact_id}/merge": FORM,
    "GET /contacts/{contact_id}/merge/{other_id}": FORM,
    "GET /contacts/{contact_id}/erase": FORM,
    "GET /audit/checks/progress": PART,
    "GET /knowledge/new/source": FORM,
    "GET /knowledge/{source}/edit": FORM,
    "GET /tools/new/http": FORM,
    "POST /tools/new/http/edit": FORM,
    "GET /tools/{tool}/edit": FORM,
    "POST /tools/{tool}/edit/rows": FORM,
    "GET /tools/new/server": FORM,
    "GET /tools/{tool}/server": FORM,
    "GET /inbox/stream": "tells a page that is open what to fetch",
    "POST /inbox/{conversation_id}/presence": "says which person looks at a conversation",
    "GET /files/{file_id}/picture": "makes a picture small for a page; the file is had",
}
"""Why there is nothing of it in the API."""
