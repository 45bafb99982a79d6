"""Reports about e-mails in the forms that mail servers use, and texts that are none."""

from uuid import UUID

import pytest

from services.adapters.email_reports import (
    MAX_BYTES,
    EmailReport,
    ReportKind,
    parse_email_report,
)
from services.adapters.provider import UNKNOWN_ADDRESS

DELIVERY = UUID("018f3a51-7a6e-7c3e-9d57-7d1c8ac6d1f3")
MESSAGE_ID = f"<{DELIVERY}@alder.example>"


def bounce(fields: str, *, returned: str = "message/rfc822", message_id: str = MESSAGE_ID) -> bytes:
    """Return a report in the form of RFC 3464, appendix E."""
    return f"""\
Date: Fri, 8 Jul 1994 09:21:47 -0400
From: Mail Delivery Subsystem <MAILER-DAEMON@cs.utk.example>
Subject: Returned mail: User unknown
To: <office@alder.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
      boundary="JAA13167.773673707/CS.UTK.EXAMPLE"

--JAA13167.773673707/CS.UTK.EXAMPLE
content-type: text/plain; charset=us-ascii

   ----- The following addresses had delivery problems -----
<ada@lovelace.example>  (unrecoverable error)

--JAA13167.773673707/CS.UTK.EXAMPLE
content-type: message/delivery-status

Reporting-MTA: dns; cs.utk.example

Original-Recipient: rfc822;ada@lovelace.example
Final-Recipient: rfc822;ada@lovelace.example
{fields}

--JAA13167.773673707/CS.UTK.EXAMPLE
content-type: {returned}

Message-ID: {message_id}
To: ada@lovelace.example
Subject: Hello

--JAA13167.773673707/CS.UTK.EXAMPLE--
""".encode()


def complaint(kind: str, *, report_type: str = "feedback-report") -> bytes:
    """Return a complaint in the form of RFC 5965, appendix B.2."""
    return f"""\
From: <abusedesk@example.com>
To: <office@alder.example>
Subject: FW: Earn money
MIME-Version: 1.0
Content-Type: multipart/report; report-type={report_type}; boundary="part1_13d.2e68ed54_boundary"

--part1_13d.2e68ed54_boundary
Content-Type: text/plain; charset="US-ASCII"
Content-Transfer-Encoding: 7bit

This is an email abuse report for an email message.

--part1_13d.2e68ed54_boundary
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <office@alder.example>

--part1_13d.2e68ed54_boundary
Content-Type: message/rfc822
Content-Disposition: inline

From: <office@alder.example>
Message-ID: {MESSAGE_ID}
To: <ada@lovelace.example>
Subject: Hello

Hi

--part1_13d.2e68ed54_boundary--
""".encode()


FAILED, DELAYED, DELIVERED = ReportKind.FAILED, ReportKind.DELAYED, ReportKind.DELIVERED


@pytest.mark.parametrize(
    ("fields", "kind", "code"),
    [
        # RFC 3464, appendix E.1 and E.4; RFC 3463 for the status codes
        ("Action: failed\nStatus: 5.1.1", FAILED, UNKNOWN_ADDRESS),
        ("Action: failed\nStatus: 5.1.10 (null MX)", FAILED, UNKNOWN_ADDRESS),
        ("ACTION: Failed\nstatus: 5.1.2", FAILED, UNKNOWN_ADDRESS),
        ("Action: failed\nStatus: 5.0.0 (permanent failure)", FAILED, "bounced_5.0.0"),
        ("Action: failed\nStatus: 5.2.2", FAILED, "bounced_5.2.2"),
        ("Action: failed\nStatus: 5.7.1", FAILED, "bounced_5.7.1"),
        ("Action: failed\nStatus: 4.4.7", FAILED, "bounced_4.4.7"),
        ("Action: failed", FAILED, "bounced"),
        ("Action: delayed\nStatus: 4.0.0", DELAYED, None),
        ("Action: relayed\nStatus: 2.1.9", DELAYED, None),
        ("Action: delivered\nStatus: 2.0.0", DELIVERED, None),
    ],
)
@pytest.mark.parametrize("returned", ["message/rfc822", "text/rfc822-headers"])
def test_a_bounce(fields: str, kind: ReportKind, code: str | None, returned: str) -> None:
    report = parse_email_report(bounce(fields, returned=returned))
    assert report is not None
    assert (report.delivery_id, report.kind, report.code) == (DELIVERY, kind, code)
    assert "ada" not in report.detail


@pytest.mark.parametrize("kind", ["abuse", "Fraud", "other", "opt-out"])
def test_a_complaint(kind: str) -> None:
    detail = f"the recipient complained: {kind.lower()}"
    assert parse_email_report(complaint(kind)) == EmailReport(
        DELIVERY, ReportKind.COMPLAINT, detail
    )


PLAIN = f"From: ada@lovelace.example\r\nIn-Reply-To: {MESSAGE_ID}\r\n\r\n"


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\x00\xff", b"Content-Type: multipart/report", b"\r\n\r\n",
        (PLAIN + "Please remove me").encode(),  # a person's answer
        (PLAIN + "Action: failed\nStatus: 5.1.1").encode(),
        bounce("Status: 5.1.1"), bounce("Action: failed", message_id="<other@example.com>"),
        bounce("Action: failed", message_id=""), complaint("not-spam"), complaint("x"),
        complaint("abuse", report_type="disposition-notification"),
        bounce("Action: failed").replace(b"multipart/report", b"multipart/mixed"),
        bounce("Action: failed\nStatus: 5.1.1") + b" " * MAX_BYTES,
        b"Content-Type: multipart/report; report-type*0*=utf-99''%ff; boundary=x\n\n--x\n\n--x--",
        b'Content-Type: multipart/report; boundary="\n\n--\n' + b"--\n" * 10_000,
    ],
)  # fmt: skip
def test_what_is_no_report_about_a_delivery(content: bytes) -> None:
    assert parse_email_report(content) is None


def test_deeply_nested_parts_are_refused() -> None:
    nested = b"".join(
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b%d\n\n--b%d\n"
        % (n, n)
        for n in range(500)
    )
    assert parse_email_report(nested) is None
