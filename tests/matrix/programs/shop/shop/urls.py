"""Where the shop's views are."""

from django.urls import path
from orders import views

urlpatterns = [
    path("order/<str:item>", views.order),
    path("order-and-fail/<str:item>", views.order_and_fail),
    path("order-in-stream/<str:item>", views.order_in_stream),
    path("order-and-take-back/<str:item>", views.order_and_take_back),
]
