"""How words of code in a description are shown."""

import re

from django import template
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.filter
def code(text: str) -> SafeString:
    """`text` as HTML, with what stands between backticks as code; all else is escaped."""
    escaped = conditional_escape(text)
    return mark_safe(re.sub("`([^`]+)`", r"<code>\1</code>", escaped))  # noqa: S308 - escaped above
