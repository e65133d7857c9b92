"""What Meta posts of WhatsApp, read tolerantly: whatever is odd about a part reads as if it were not there.

Only who wrote a message, and its id, may make it unusable; that is decided in ``whatsapp_events``.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

_BUSINESS_SCOPED: Final = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[0-9A-Za-z]{1,128}")
_NUMBER: Final = re.compile(r"[0-9]{5,20}")
_EARLIEST: Final = 1_400_000_000
"""Seconds: before that there was no such message, and the number is of another kind."""


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _parts(value: object) -> list[object]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def _moment(value: object) -> datetime | None:
    text = _text(value)
    if not re.fullmatch("[0-9]{10}", text) or int(text) < _EARLIEST:
        return None
    return datetime.fromtimestamp(int(text), UTC)


Text = Annotated[str, BeforeValidator(_text)]
Moment = Annotated[datetime | None, BeforeValidator(_moment)]


class Part(BaseModel):
    # A refused value is what somebody wrote, which must not get into logs.
    model_config = ConfigDict(hide_input_in_errors=True, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _anything(cls, data: object) -> object:
        return data if isinstance(data, dict) else {}


class Media(Part):
    id: Text = ""
    mime_type: Text = ""
    filename: Text = ""
    caption: Text = ""
    voice: bool = False
    file_size: int = 0

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, data: object) -> object:
        if not isinstance(data, dict):
            return {}
        size = data.get("file_size")
        is_size = isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 2**40
        return {**data, "voice": data.get("voice") is True, "file_size": size if is_size else 0}


class Body(Part):
    body: Text = ""


class Place(Part):
    name: Text = ""
    address: Text = ""
    latitude: Text = ""
    longitude: Text = ""
    url: Text = ""


class PersonName(Part):
    formatted_name: Text = ""
    first_name: Text = ""
    last_name: Text = ""


class Organisation(Part):
    company: Text = ""


class Phone(Part):
    phone: Text = ""


class Email(Part):
    email: Text = ""


class Card(Part):
    """Of a person whom the contact passes on."""

    name: PersonName = PersonName()
    org: Organisation = Organisation()
    phones: Annotated[list[Phone], BeforeValidator(_parts)] = []
    emails: Annotated[list[Email], BeforeValidator(_parts)] = []


class Choice(Part):
    id: Text = ""
    title: Text = ""
    description: Text = ""


class Form(Part):
    name: Text = ""
    body: Text = ""
    response_json: Text = ""


class Interactive(Part):
    button_reply: Choice = Choice()
    list_reply: Choice = Choice()
    nfm_reply: Form = Form()


class QuickReply(Part):
    text: Text = ""
    payload: Text = ""


class Product(Part):
    product_retailer_id: Text = ""
    quantity: Text = ""
    item_price: Text = ""
    currency: Text = ""


class Order(Part):
    text: Text = ""
    product_items: Annotated[list[Product], BeforeValidator(_parts)] = []


class ReferredProduct(Part):
    product_retailer_id: Text = ""


class Context(Part):
    id: Text = ""
    forwarded: Any = None
    frequently_forwarded: Any = None
    referred_product: ReferredProduct = ReferredProduct()


class Referral(Part):
    """The advertisement or post from which the conversation was begun."""

    headline: Text = ""
    body: Text = ""
    source_url: Text = ""


class Unsupported(Part):
    type: Text = ""


class System(Part):
    type: Text = ""
    body: Text = ""
    wa_id: Text = ""
    new_wa_id: Text = ""
    user_id: Text = ""
    previous_user_id: Text = ""


class Revoked(Part):
    original_message_id: Text = ""


class Message(Part):
    id: Text = ""
    type: Text = ""
    timestamp: Moment = None
    from_: Annotated[Text, Field(alias="from")] = ""
    from_user_id: Text = ""
    to: Text = ""
    to_user_id: Text = ""
    group_id: Text = ""
    context: Context = Context()
    referral: Referral = Referral()
    text: Body = Body()
    image: Media = Media()
    video: Media = Media()
    audio: Media = Media()
    voice: Media = Media()
    document: Media = Media()
    sticker: Media = Media()
    location: Place = Place()
    contacts: Annotated[list[Card], BeforeValidator(_parts)] = []
    interactive: Interactive = Interactive()
    button: QuickReply = QuickReply()
    order: Order = Order()
    system: System = System()
    unsupported: Unsupported = Unsupported()
    edit: "Edit" = Field(default_factory=lambda: Edit())
    revoke: Revoked = Revoked()


class Edit(Part):
    original_message_id: Text = ""
    message: Annotated[dict[str, Any], BeforeValidator(lambda value: value if isinstance(value, dict) else {})] = {}
    """What it says from now on, shaped as a message is."""


class OwnName(Part):
    name: Text = ""


class Profile(Part):
    """Who wrote: belongs to the message whose sender has one of its names, at whatever place it stands."""

    wa_id: Text = ""
    user_id: Text = ""
    profile: OwnName = OwnName()


class ErrorData(Part):
    details: Text = ""


class Problem(Part):
    code: Text = ""
    title: Text = ""
    error_data: ErrorData = ErrorData()


class Status(Part):
    id: Text = ""
    status: Text = ""
    timestamp: Moment = None
    biz_opaque_callback_data: Text = ""
    errors: Annotated[list[Problem], BeforeValidator(_parts)] = []


class Metadata(Part):
    phone_number_id: Text = ""
    display_phone_number: Text = ""


class Changed(Part):
    previous: Text = ""
    current: Text = ""


class UserIdUpdate(Part):
    wa_id: Text = ""
    user_id: Changed = Changed()


class Preference(Part):
    wa_id: Text = ""
    user_id: Text = ""
    category: Text = ""
    value: Text = ""


class Ban(Part):
    waba_ban_state: Text = ""


class Restriction(Part):
    restriction_type: Text = ""


class Value(Part):
    metadata: Metadata = Metadata()
    contacts: Annotated[list[Profile], BeforeValidator(_parts)] = []
    messages: Annotated[list[dict[str, Any]], BeforeValidator(_parts)] = []
    """As they came, since one that cannot be used is kept as it came."""
    message_echoes: Annotated[list[dict[str, Any]], BeforeValidator(_parts)] = []
    statuses: Annotated[list[Status], BeforeValidator(_parts)] = []
    errors: Annotated[list[Problem], BeforeValidator(_parts)] = []
    user_id_update: Annotated[list[UserIdUpdate], BeforeValidator(_parts)] = []
    user_preferences: Annotated[list[Preference], BeforeValidator(_parts)] = []
    event: Text = ""
    ban_info: Ban = Ban()
    restriction_info: Annotated[list[Restriction], BeforeValidator(_parts)] = []
    current_limit: Text = ""
    message_template_name: Text = ""


class Change(Part):
    field: Text = ""
    value: Value = Value()


class Entry(Part):
    id: Text = ""
    time: Moment = None
    changes: Annotated[list[dict[str, Any]], BeforeValidator(_parts)] = []


class Notification(Part):
    entry: Annotated[list[Entry], BeforeValidator(_parts)] = []


def lasting(*candidates: str) -> str:
    """The first that is a person's business-scoped id."""
    return next((one for one in candidates if _BUSINESS_SCOPED.fullmatch(one)), "")


def number(*candidates: str) -> str:
    """The first that is a number, in digits alone."""
    return next((bare for one in candidates if _NUMBER.fullmatch(bare := one.removeprefix("+"))), "")
