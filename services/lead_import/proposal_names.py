"""The names of columns that other systems use, and what they mean for a lead."""

from collections.abc import Mapping

from events.leads import LeadStatus

FIELD_NAMES: Mapping[str, tuple[str, ...]] = {
    "external_id": (
        "id", "recordid", "leadid", "prospectid", "prospectcode", "contactid", "guestcardid",
        "externalid", "leadnumber", "guestid", "uuid",
    ),
    "arrived": (
        "createdate", "createddate", "createdat", "created", "datecreated", "firstcontactdate",
        "firstcontact", "leaddate", "contactdate", "inquirydate", "dateadded", "submittedat",
        "creationdate", "erstelltam", "datum",
    ),
    "status": ("leadstatus", "status", "stage", "leadstage", "prospectstatus", "lifecyclestage"),
    "assigned": (
        "contactowner", "owner", "ownername", "agent", "assignedto", "leasingagent",
        "assignedagent", "ownerid", "leasingconsultant",
    ),
    "source": ("leadsource", "source", "originalsource", "adsource", "marketingsource", "channel"),
    "first_name": ("firstname", "givenname", "vorname", "prenom", "nombre"),
    "last_name": ("lastname", "surname", "familyname", "nachname", "apellido"),
    "email": ("email", "emailaddress", "mail", "emailadresse"),
    "phone": ("phone", "phonenumber", "mobile", "mobilephone", "cell", "telephone", "telefon"),
    "move_in_date": (
        "moveindate", "movein", "targetmovein", "desiredmovein", "desiredmoveindate",
    ),
    "bedrooms": ("bedrooms", "beds", "bedroom", "desiredbedrooms", "bedroompreference"),
}  # fmt: skip
"""Field of the lead → the names of columns that mean it, without blanks, signs and case."""
HISTORY_NAMES = {
    "contacted": ("contactedat", "lastcontacteddate"),
    "toured": ("tourdate", "touredat", "firstshowdate", "showdate", "visitdate"),
    "applied": ("applicationdate", "applieddate", "appliedat"),
    "leased": (
        "leasesigneddate", "leasedate", "leasedat", "becameacustomerdate", "converteddate",
        "movedindate",
    ),
}  # fmt: skip
"""Status → the names of columns with the date on which a lead reached it."""
NOTE_NAMES = ("notes", "note", "comments", "comment", "description", "remarks", "message", "notiz")
TAG_NAMES = ("tags", "tag", "labels", "preferences", "interests")
OPT_OUT_NAMES = {
    "donotemail": "email", "hasoptedoutofemail": "email", "emailoptout": "email",
    "unsubscribedfromallemail": "email", "donotcall": "call", "donottext": "sms",
    "smsoptout": "sms", "optouttext": "sms",
}  # fmt: skip
STATUS_WORDS: tuple[tuple[str, LeadStatus], ...] = (
    ("leased|resident|customer|won|converted|signed|^1$", LeadStatus.LEASED),
    ("lost|denied|cancel|unqualified|disqualified|dead|closed|not converted", LeadStatus.LOST),
    ("appl", LeadStatus.APPLIED),
    ("qualif|approved|opportunity", LeadStatus.QUALIFIED),
    ("tour(ed)? (done|complete)|toured|shown|visited", LeadStatus.TOURED),
    ("tour|appointment|showing|scheduled|booked", LeadStatus.TOUR_BOOKED),
    ("contact|working|progress|connected|attempt|nurtur|engaged", LeadStatus.CONTACTED),
    ("new|open|prospect|lead|inquiry|^0$", LeadStatus.NEW),
)
"""A pattern of a value → the status that it probably means; the first pattern that fits counts."""
