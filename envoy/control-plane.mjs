// What the demo's control plane container runs: `fairlead serve` with the arguments given, after the gateway has got
// its certificate. CERTIFICATE_DIR: a folder within the watched one.
import { ensureCertificate } from '../dist/cli/demo/gateway-certificate.js';

ensureCertificate(process.env.CERTIFICATE_DIR);
await import('../dist/cli/main.js');
