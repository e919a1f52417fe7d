// What a dashboard of ours may hold: Grafana's own types, made stricter where they let anything
// through, which is what a panel of a kind takes as its options. JSON holds the values of enums.

import type {
  AnnotationQuery, Dashboard as AnyDashboard, DataQuery, FieldConfig, Panel, RowPanel, VariableModel,
} from '@grafana/schema';
import type * as bargauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as logs from '@grafana/schema/dist/esm/raw/composable/logs/panelcfg/x/LogsPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as timeline from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as text from '@grafana/schema/dist/esm/raw/composable/text/panelcfg/x/TextPanelCfg_types.gen';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

type Plain<T> =
  unknown extends T ? T
  : T extends string ? `${T}`
  : T extends readonly (infer U)[] ? Plain<U>[]
  : T extends object ? { [K in keyof T]: Plain<T[K]> }
  : T;

type Source = { type: string; uid: string };
type Asked = Omit<DataQuery, 'datasource'> & { datasource: Source };
// The types of the data sources' queries are not part of the package.
type Prometheus = Asked & {
  editorMode: 'code'; exemplar: boolean; expr: string; format: 'time_series' | 'table';
  instant: boolean; legendFormat: string; range: boolean;
};
type Loki = Asked & { editorMode: 'code'; expr: string; queryType: 'range' };
type Jaeger = Asked & { query: string };

type PanelOf<Kind extends string, Options, Custom, Query> =
  Omit<Panel, 'type' | 'options' | 'fieldConfig' | 'targets' | 'datasource'> & {
    datasource: Source;
    fieldConfig: { defaults: Omit<FieldConfig, 'custom'> & { custom?: Custom }; overrides: [] };
    options: Options;
    targets: Query[];
    type: Kind;
  };
type Nothing = Record<string, never>;
type Text = Omit<Panel, 'type' | 'options' | 'fieldConfig' | 'targets' | 'datasource'> & {
  options: text.Options; type: 'text';
};

type OurPanel =
  | PanelOf<'timeseries', timeseries.Options, timeseries.FieldConfig, Prometheus>
  | PanelOf<'stat', stat.Options, Nothing, Prometheus>
  | PanelOf<'bargauge', bargauge.Options, Nothing, Prometheus>
  | PanelOf<'state-timeline', timeline.Options, timeline.FieldConfig, Prometheus>
  | PanelOf<'table', table.Options, Partial<table.FieldConfig>, Prometheus>
  | PanelOf<'logs', logs.Options, Nothing, Loki>
  | PanelOf<'traces', Nothing, Nothing, Jaeger>
  | Text
  | RowPanel;

type Firing = Omit<AnnotationQuery, 'target'> & {
  tagKeys?: string; target?: DataQuery & { expr: string; interval: string };
  textFormat?: string; titleFormat?: string;
};

export type Dashboard = Plain<
  Omit<AnyDashboard, 'annotations' | 'panels' | 'templating'> & {
    annotations: { list: Firing[] };
    panels: OurPanel[];
    templating: { list: VariableModel[] };
  }
>;
