"""What a page of HTML holds."""

import html.parser


class Reader(html.parser.HTMLParser):
    """Collects tags in order, texts, and where pictures come from."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.sources = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data):
        self.texts.append(data)
