#!/bin/sh
# Install the browser for the tests of the page, unless there is one.
for name in chromium chromium-browser google-chrome; do
    command -v "$name" > /dev/null && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium fonts-liberation
else
    echo "The tests of the page need chromium. Got none. Install it: sudo apt-get install chromium" >&2
    exit 2
fi
