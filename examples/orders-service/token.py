"""A customer's token for POST /orders: token.py NAME. The secret is the one in deploy.sh."""

import hashlib
import hmac
import os
import sys

secret = os.environ.get("SECRET", "change-me").encode()
print(sys.argv[1] + "." + hmac.new(secret, sys.argv[1].encode(), hashlib.sha256).hexdigest())
