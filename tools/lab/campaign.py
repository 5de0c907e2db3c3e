"""A phishing campaign of our own making: several variants of subject, sender, encoding and shape; one URL in common."""
import base64
import email.header
import email.utils
import quopri

URL = "https://login.parcel-redelivery.example/verify?case=84213"

# (sender name, sender address, subject, shape)
VARIANTS = [
    ("Parcel Desk", "desk@parcel-redelivery.example", "Your parcel could not be delivered", "plain"),
    ("Parcel Desk", "notice@parcel-redelivery.example", "Action required: confirm your address", "html"),
    ("物流通知", "notify@parcel-redelivery.example", "您的包裹需要重新派送", "plain-base64"),
    ("IT Service", "it-service@account-renewal.example", "Mailbox storage almost full", "html-base64"),
    ("Accounts Payable", "billing@invoice-center.example", "Invoice 84213 is overdue", "attachment"),
    ("Zustelldienst", "info@paket-zustellung.example", "Ihr Paket konnte nicht zugestellt werden", "plain-qp"),
]


def _encoded(text):
    return text if text.isascii() else email.header.Header(text, "utf-8").encode()


def message(number, recipients, when, url=URL):
    """(envelope sender, raw message) of the campaign's `number`-th mail. Its Message-ID is unique."""
    name, sender, subject, shape = VARIANTS[number % len(VARIANTS)]
    if number >= len(VARIANTS):
        subject = f"{subject} ({number})"
    text = (f"Dear customer,\n\nwe tried to reach you. Please confirm your details within 24 hours:\n\n{url}\n\n"
            f"Reference {1000 + number}\n")
    html = (f"<html><body><p>Dear customer,</p><p>we tried to reach you. <a href=\"{url}\">Confirm your details</a> "
            f"within 24 hours.</p><p>Reference {1000 + number}</p></body></html>")
    head = [
        f"From: {_encoded(name)} <{sender}>",
        "To: " + ", ".join(recipients[:3]) + (", undisclosed-recipients:;" if len(recipients) > 3 else ""),
        f"Subject: {_encoded(subject)}",
        f"Date: {email.utils.format_datetime(when)}",
        f"Message-ID: <{number}.84213.{int(when.timestamp())}@{sender.split('@')[1]}>",
        "MIME-Version: 1.0",
    ]
    if shape == "plain":
        head += ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 7bit"]
        body = text
    elif shape == "plain-base64":
        head += ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64"]
        body = base64.encodebytes(("您好，\n" + text).encode()).decode()
    elif shape == "plain-qp":
        head += ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: quoted-printable"]
        body = quopri.encodestring(("Grüße,\n" + text).encode()).decode()
    elif shape == "html":
        head += ["Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: 7bit"]
        body = html
    elif shape == "html-base64":
        head += ["Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: base64"]
        body = base64.encodebytes(html.encode()).decode()
    else:
        head += ['Content-Type: multipart/mixed; boundary="=_campaign"']
        pdf = base64.encodebytes(b"%PDF-1.4\n% not a real invoice\n%%EOF\n").decode()
        body = ("--=_campaign\nContent-Type: text/plain; charset=utf-8\n\n" + text +
                "\n--=_campaign\nContent-Type: application/pdf; name=\"invoice-84213.pdf\"\n"
                "Content-Disposition: attachment; filename=\"invoice-84213.pdf\"\nContent-Transfer-Encoding: base64\n\n" +
                pdf + "--=_campaign--\n")
    raw = "\n".join(head) + "\n\n" + body.rstrip("\n") + "\n"
    return sender, raw.replace("\n", "\r\n").encode()


def innocent_twin(raw):
    """Another mail under the same Message-ID as `raw`: it must never be taken for it."""
    head, _, _ = raw.partition(b"\r\n\r\n")
    fields = [line for line in head.split(b"\r\n") if line.lower().startswith((b"message-id:", b"date:", b"to:"))]
    fields += [b"From: Colleague <colleague@partner.example>", b"Subject: Minutes of our meeting",
               b"Content-Type: text/plain; charset=utf-8"]
    return b"\r\n".join(fields) + b"\r\n\r\nHere are the minutes of our meeting.\r\n"
