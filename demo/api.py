"""The HTTP API of `examples/orders-service`, called with curl: its route is `show`."""

import json

from functions import EXAMPLES, expect
from terminal import Failure, command, dim, good, run, say

HERE = EXAMPLES / "orders-service"
FUNCTIONS = ("catalogue", "quote", "orders", "authorizer")
SECONDS_MAX = 60
LINES = '{"lines": [{"sku": "TOOL-0410", "quantity": 3}]}'


class Api:
    def __init__(self, environment):
        self.environment = environment

    def show(self):
        command(["examples/orders-service/deploy.sh"])
        self.url = run([str(HERE / "deploy.sh")], seconds=SECONDS_MAX, env=self.environment, what="deploying the API").split()[-1]
        say(dim(self.url))
        products = self.curl("/products?search=sailors", 200)["products"]
        expect([product["sku"] for product in products], ["BOOK-0002"], "the products found")
        expect(self.curl("/products/BOOK-9999", 404)["title"], "No such product", "the answer about an unknown product")
        quote = self.curl("/quotes", 200, "-d", LINES)
        expect(quote, {"goods": "56.25", "shipping": "0.00", "total": "56.25"}, "the quote")
        say(good("right: ") + "found by search; a quote in exact cents; unknown products are 404")
        expect(self.curl("/orders", 401, "-d", LINES), {"message": "Unauthorized"}, "the answer to nobody")
        expect(self.curl("/orders", 403, "-d", LINES, "-H", "authorization: Bearer ada.forged"), {"message": "Forbidden"},
               "the answer to a forger")
        token = run(["python3", str(HERE / "token.py"), "ada"], seconds=SECONDS_MAX, what="a token").strip()
        order = self.curl("/orders", 201, "-d", LINES, "-H", f"authorization: Bearer {token}")
        expect(order["customer"], "ada", "the customer")
        expect(self.curl("/nowhere", 404), {"message": "Not Found"}, "the answer about no route")
        say(good("right: ") + f"order {order['order']} of {order['customer']}, whom the Lambda authorizer knows; strangers 401, forgers 403")

    def curl(self, path, status, *words):
        """The answer's document; its status must be this one."""
        shown = [word if " " not in word else f"'{word if len(word) < 60 else word[:57] + '…'}'" for word in words]
        command(["curl", f"$api{path}", *shown])
        text = run(["curl", "-sS", "-w", "\n%{http_code}", self.url + path, *words], seconds=SECONDS_MAX, env=self.environment, what="curl")
        body, _, code = text.rpartition("\n")
        if int(code) != status:
            raise Failure(f"{path} answered {code} where {status} is right: {body[:500]}")
        say(dim(body[:150]))
        return json.loads(body)

    def clean_up(self, lambda_, apis):
        for api in apis.get_apis()["Items"]:
            apis.delete_api(ApiId=api["ApiId"])
        for name in FUNCTIONS:
            lambda_.delete_function(FunctionName=f"orders-service-{name}")
