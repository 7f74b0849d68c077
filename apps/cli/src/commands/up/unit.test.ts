import { expect, it } from 'vitest'
import { systemdUnit } from './unit.js'

const settings = {
  command: ['/usr/bin/node', '/opt/layermill/bin/layermill.js', 'serve'],
  port: 8080,
  workers: 2,
  home: '/srv/anna/.cache/layermill',
}

it('starts serve with its settings, again after a crash, and for good', () => {
  const lines = systemdUnit(settings).split('\n')
  expect(lines).toContain('ExecStart="/usr/bin/node" "/opt/layermill/bin/layermill.js" "serve" "--port" "8080" "--workers" "2"')
  expect(lines).toContain('Environment="LAYERMILL_HOME=/srv/anna/.cache/layermill"')
  expect(lines).toContain('Restart=on-failure')
  expect(lines).toContain('WantedBy=default.target')
  expect(lines.filter(line => line.startsWith('['))).toEqual(['[Unit]', '[Service]', '[Install]'])
})

it('keeps what systemd would replace in paths', () => {
  const unit = systemdUnit({ ...settings, command: ['/opt/a b/100%/$x/"q"\\z', 'serve'], home: '/srv/50% off' })
  expect(unit).toContain('ExecStart="/opt/a b/100%%/$$x/\\"q\\"\\\\z" "serve"')
  expect(unit).toContain('Environment="LAYERMILL_HOME=/srv/50%% off"')
})
