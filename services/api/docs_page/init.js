// Starts Swagger UI. A file of its own, because the page's policy forbids inline scripts.
SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  // Swagger UI's default is a validator on another host.
  validatorUrl: null,
});
