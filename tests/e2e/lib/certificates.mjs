// Certificates for tests, made with the openssl program.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

function openssl(...args) {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

// makeAuthority(dir, name): a certificate authority; .pem is its certificate
export function makeAuthority(dir, name = 'ca') {
  const cert = join(dir, `${name}.pem`);
  const key = join(dir, `${name}.key`);
  openssl('req', '-x509', ...newKey, '-keyout', key, '-out', cert, '-days', '2', '-subj', `/CN=${name}`);
  return { cert, key, pem: readFileSync(cert) };
}

// issue(dir, authority, name): a certificate for 127.0.0.1 and localhost, signed by the authority.
// Returns the names of its files: { cert, key }
export function issue(dir, authority, name = 'node') {
  const cert = join(dir, `${name}.pem`);
  const key = join(dir, `${name}.key`);
  const request = join(dir, `${name}.csr`);
  openssl(
    'req', '-new', ...newKey, '-keyout', key, '-out', request, '-subj', `/CN=${name}`,
    '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
  );
  openssl(
    'x509', '-req', '-in', request, '-CA', authority.cert, '-CAkey', authority.key, '-CAcreateserial',
    '-copy_extensions', 'copy', '-days', '2', '-out', cert,
  );
  return { cert, key };
}

// certificatesFor(dir): the names of the files of a fresh authority and a node's certificate
export function certificatesFor(dir) {
  const authority = makeAuthority(dir);
  return { ca: authority.cert, ...issue(dir, authority) };
}
