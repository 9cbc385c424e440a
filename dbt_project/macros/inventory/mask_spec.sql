{#- What the inventory says of a table, and what the catalog says of its columns' types: relation, primary key,
    subject, rule of the record, ruled columns with their parts. Names are as they are, for `quoted` to quote.
    Read from the graph, so only while dbt executes; unit tests have no graph and override this macro. -#}
{% macro mask_spec(source_name, table_name) -%}
    {%- set spec = {
        'source': source_name, 'table': table_name, 'relation': none, 'rule': none, 'primary_key': [], 'subject': {},
        'subject_types': {}, 'columns': [], 'untouched': [],
    } -%}
    {%- if execute -%}
        {%- set found = graph.sources.values()
            | selectattr('source_name', 'equalto', source_name) | selectattr('name', 'equalto', table_name) | list -%}
        {%- if found | length != 1 -%}
            {{ exceptions.raise_compiler_error('The inventory has no ' ~ source_name ~ '.' ~ table_name) }}
        {%- endif -%}
        {%- set node = found[0] -%}
        {%- set meta = node.config.meta or node.meta -%}
        {%- set catalog = table_catalog(node.schema, node.identifier) -%}
        {%- do spec.update({
            'relation': quoted(node.schema) ~ '.' ~ quoted(node.identifier),
            'rule': meta.rule,
            'primary_key': meta.primary_key,
            'subject': meta.subject,
            'subject_types': {
                'contributor_id': catalog.get(meta.subject.get('contributor_id'), {}).get('type'),
            },
        }) -%}
        {%- set free = [] -%}
        {%- for column in node.columns.values() -%}
            {%- set column_meta = (column.config or {}).get('meta') or column.meta or {} -%}
            {%- set parts = [] -%}
            {%- for path, part in (column_meta.get('keys') or {'': column_meta}).items() -%}
                {%- if 'rule' not in part -%}
                    {{ exceptions.raise_compiler_error(
                        'No rule for ' ~ source_name ~ '.' ~ table_name ~ '.' ~ column.name
                    ) }}
                {%- endif -%}
                {%- if part.rule != 'keep' -%}
                    {%- do parts.append({'path': path.split('.') if path else [], 'rule': part.rule}) -%}
                {%- endif -%}
            {%- endfor -%}
            {%- if parts -%}
                {%- do spec.columns.append({
                    'name': column.name,
                    'type': catalog.get(column.name, {}).get('type', 'text'),
                    'elements': column_meta.get('elements', false),
                    'parts': parts,
                }) -%}
            {%- endif -%}
            {%- if parts or column_meta.get('volatile') -%} {%- do free.append(column.name) -%} {%- endif -%}
        {%- endfor -%}
        {%- for name, column in catalog.items() if name not in free and not column.generated -%}
            {%- do spec.untouched.append(name) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(spec) }}
{%- endmacro %}
