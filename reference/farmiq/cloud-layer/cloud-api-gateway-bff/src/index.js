'use strict';

const app = require('./app');
const { config, requireSettings } = require('./config');

requireSettings();

const server = app.listen(config.port, () => {
  process.stdout.write(`cloud-api-gateway-bff listens on ${config.port}\n`);
});

process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
});
