"""What is ordered, and by which thread."""

from django.db import models


class Order(models.Model):
    item = models.CharField(max_length=100)
    thread = models.BigIntegerField()
