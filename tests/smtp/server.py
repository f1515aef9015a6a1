"""A mail server for tests: aiosmtpd with STARTTLS or TLS and a log-in. Prints its port, then each mail as a line of JSON.

Arguments: mode (starttls, tls or none), certificate, key, user, password.
"""

import email
import email.policy
import json
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

mode, certificate, key, user, password = sys.argv[1:6]


class Print:
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        line = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "subject": mail["Subject"],
            "id": mail["Message-ID"],
            "text": mail.get_content(),
            "encrypted": session.ssl is not None or mode == "tls",
            "authenticated": bool(session.authenticated),
        }
        print("mail " + json.dumps(line), flush=True)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    right = LoginPassword(user.encode(), password.encode())
    return AuthResult(success=isinstance(data, LoginPassword) and data == right, handled=False)


context = None
if mode != "none":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)


class Server(Controller):
    def factory(self):
        options = {"authenticator": authenticate, "auth_required": bool(user), "auth_require_tls": False}
        if mode == "starttls":
            options.update(tls_context=context, require_starttls=True)
        return SMTP(self.handler, hostname="localhost", **options)


server = Server(Print(), hostname="127.0.0.1", port=int(sys.argv[6]), ssl_context=context if mode == "tls" else None)
server.start()
print(f"listening on {sys.argv[6]}", flush=True)
threading.Event().wait()
