"""What a scrape is answered: the page of metrics, its forms and its bounds."""
