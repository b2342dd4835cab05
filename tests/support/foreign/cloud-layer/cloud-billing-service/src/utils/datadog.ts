const service = process.env.DD_SERVICE;
if (service) {
  try {
    require('dd-trace').init({ service });
  } catch {
    // A service runs without its tracer.
  }
}
