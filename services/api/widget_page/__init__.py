"""The script that shows a property's widget on a web page, and a page that demonstrates it."""
