import {defineConfig} from 'vite';

// Everything is served from one origin under a strict Content-Security-Policy: no inline script or style, no eval.
export default defineConfig({
  base: '/',
  build: {
    outDir: 'dist', target: 'es2022', modulePreload: {polyfill: false}, assetsInlineLimit: 0, sourcemap: false,
    chunkSizeWarningLimit: 200,
  },
});
