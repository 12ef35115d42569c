// Shows this service's contract. A token that is entered is kept in this page only.
SwaggerUIBundle({
  url: "/api.yaml",
  dom_id: "#swagger-ui",
  deepLinking: true,
  // No badge from a validator elsewhere.
  validatorUrl: null,
  persistAuthorization: false,
});
