// Shows the contract of this very service. The token that somebody enters stays in this page and goes with it.
SwaggerUIBundle({
  url: "/api.yaml",
  dom_id: "#swagger-ui",
  deepLinking: true,
  // No badge from a validator elsewhere.
  validatorUrl: null,
  persistAuthorization: false,
});
